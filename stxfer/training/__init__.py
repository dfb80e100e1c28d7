"""Training through ESPnet: one entry point for ASR, ST, the text-only control and MT."""
