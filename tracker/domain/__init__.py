"""What the words mean: frozen values and pure functions of them."""
