#!/usr/bin/env bash
# Says what is missing for the JupyterLab extension and its browser tests, in one line; nothing when all is here.
missing=()
if ! command -v node >/dev/null || [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 20 ]; then
  missing+=("node 20 or newer")
fi
if [ -n "${MURAKKAB_CHROMIUM:-}" ]; then
  [ -x "$MURAKKAB_CHROMIUM" ] || missing+=("a browser at MURAKKAB_CHROMIUM=$MURAKKAB_CHROMIUM")
elif ! command -v chromium >/dev/null && ! command -v chromium-browser >/dev/null; then
  missing+=("chromium (the distribution's package, or MURAKKAB_CHROMIUM=its path)")
fi
printf '%s' "${missing[0]:-}${missing[1]:+, and ${missing[1]}}"
