"""Audio: decode, check, resample; filterbank features."""
