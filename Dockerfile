# The app, as a container or a Hugging Face Docker Space. For a CUDA GPU: --build-arg TORCH=torch==2.13.0 and run with --gpus all.
FROM python:3.11-slim-bookworm

# OpenCV (libgl1, libglib2.0-0) and mediapipe (libegl1, libgles2) link against these
RUN apt-get update -qq \
    && apt-get install -y -qq --no-install-recommends libegl1 libgl1 libgles2 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/*

RUN useradd --create-home --uid 1000 user
USER user
WORKDIR /home/user/app
ENV PATH=/home/user/.local/bin:$PATH \
    PIP_NO_CACHE_DIR=1 \
    PYTHONUNBUFFERED=1 \
    NUMBA_CACHE_DIR=/home/user/.cache/numba

ARG TORCH="torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu"
RUN pip install --user $TORCH
COPY --chown=user requirements.txt .
RUN pip install --user --only-binary :all: -r requirements.txt
COPY --chown=user . .

EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=120s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/', timeout=4)"]
CMD ["python", "app.py", "--listen"]
