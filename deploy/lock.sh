#!/usr/bin/env bash
# Locks every dependency of requirements.txt to the hashes of its files (Python 3.11, Linux x86-64), and lists what is installed then.
#   deploy/requirements.lock       with PyTorch's CUDA build:  pip install --require-hashes -r deploy/requirements.lock
#   deploy/requirements-cpu.lock   for after PyTorch's CPU build, which comes from an index of its own
#   deploy/sbom.json               a CycloneDX bill of materials, with licences, of the CPU's
# Needs: pip install uv==0.13.9 cyclonedx-bom==7.5.0
set -euo pipefail
cd "$(dirname "$0")"

lock() {
  uv pip compile ../requirements.txt --quiet --python-version 3.11 --python-platform x86_64-manylinux_2_28 --only-binary :all: \
    --generate-hashes --no-annotate --no-header --no-emit-index-url "$@" >/dev/null
}

lock -o requirements.lock
mapfile -t cuda < <(grep -oE '^(torch|triton|nvidia-[a-z0-9-]+|cuda-[a-z0-9-]+)==' requirements.lock | tr -d =)
lock -o requirements-cpu.lock "${cuda[@]/#/--no-emit-package=}"
sed -i '/^# The following packages were excluded/,$d' requirements-cpu.lock

venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3.11 -m venv "$venv"
"$venv/bin/pip" install -q torch==2.13.0
"$venv/bin/pip" install -q --require-hashes --only-binary :all: -r requirements-cpu.lock
cyclonedx-py environment "$venv/bin/python" --output-reproducible --of JSON -o sbom.json
python3.11 - sbom.json <<'PYTHON'
import json, sys
bill = json.load(open(sys.argv[1]))
for component in bill["components"]:  # what it is and its licence, not where its makers write about it
    component.pop("externalReferences", None)
bill.pop("metadata", None)
json.dump(bill, open(sys.argv[1], "w"), indent=1)
PYTHON
