"""What a window's outcomes say of the champion: performance, calibration, label rate, fairness."""
