"""What a training leaves behind and everything else is computed from: the bank of scores, and the mixture over tau."""
