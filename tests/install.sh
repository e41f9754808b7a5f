#!/usr/bin/env bash
# tests/install.sh FOLDER: the wheel in a folder, with what its tests need, into the environment on the path. A wheel needs no
# node: whatever would call one fails here. Then JupyterLab must find the extension.
set -euo pipefail
none="$(mktemp -d)"
trap 'rm -rf "$none"' EXIT
for one in node npm npx yarn jlpm jupyter-builder; do
  printf '#!/bin/sh\necho "%s was called: a wheel must need no node." >&2\nexit 1\n' "$one" >"$none/$one"
  chmod +x "$none/$one"
done
export PATH="$none:$PATH"
pip install --quiet --disable-pip-version-check -c "$(dirname "$0")/../constraints.txt" "$(echo "${1:?a folder with the wheel}"/*.whl)[test,browser]"
jupyter labextension list 2>&1 | grep -E 'murakkab-jupyter.*enabled.*OK'
