#!/usr/bin/env bash
# tests/screenshots.sh FOLDER: pictures of every view, light and dark, at 1280 and 800 pixels, for a person to look at.
# A part of them: tests/screenshots.sh FOLDER -k "light-800 and plan" (words of the tests' names: light, dark, 1280, 800, plan, without, video).
# Needs what the browser tests need, and the extension built (python labextension/build.py) or installed with the wheel.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p "${1:?a folder for the pictures}"
MURAKKAB_SCREENSHOTS="$(cd "$1" && pwd)" MURAKKAB_BROWSER_TESTS=required \
  python -m pytest -q tests/labextension/test_screenshots.py "${@:2}"
