# The app, as a container or a Hugging Face Docker Space. For a CUDA GPU: --build-arg TORCH= --build-arg LOCK=requirements.lock, run with --gpus all.
# Pin the base where you build: --build-arg BASE=python:3.11-slim-bookworm@sha256:..., the digest that your registry shows.
ARG BASE=python:3.11-slim-bookworm
FROM ${BASE}

# OpenCV (libgl1, libglib2.0-0) and mediapipe (libegl1, libgles2) link against these. Not pinned: Debian removes versions that it mends.
# hadolint ignore=DL3008
RUN apt-get update -qq \
    && apt-get install -y -qq --no-install-recommends libegl1 libgl1 libgles2 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/*

# Packages and code belong to root: the app, which runs as somebody else, cannot change them.
ARG TORCH="torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu"
ARG LOCK=requirements-cpu.lock
WORKDIR /app
COPY deploy/$LOCK deploy/$LOCK
# hadolint ignore=DL3013
RUN if [ -n "$TORCH" ]; then pip install --no-cache-dir $TORCH; fi \
    && pip install --no-cache-dir --require-hashes --only-binary :all: -r deploy/$LOCK
COPY . .
RUN useradd --create-home --uid 1000 user && python -m compileall -q facelift
USER 1000

# All that is written lies below /tmp: docker run --read-only --tmpfs /tmp:exec,mode=1777,size=4g
ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp

EXPOSE 7860
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=120s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/readyz', timeout=4)"]
CMD ["python", "app.py", "--listen", "--json-logs"]
