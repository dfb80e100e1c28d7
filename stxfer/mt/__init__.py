"""Machine translation: training, translating, labels."""
