"""Whether quality has declined since the champion was judged, told by all outcomes since then together."""
