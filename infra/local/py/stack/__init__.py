"""Deploys template.yaml into the local emulator. The template is the only input: nothing is described twice."""
