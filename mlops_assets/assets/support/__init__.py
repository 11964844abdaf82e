"""What the asset factories share: options, writes, pictures, reuse of earlier results."""
