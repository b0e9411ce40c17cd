#!/bin/sh
# Prints the greeting that the build wrote.
exec cat "$GREETING_FILE"
