#!/bin/sh
# Modes are kept too: this file is executable after a restore.
echo "hello from $0"
