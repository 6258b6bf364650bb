"""Who comes to the shop. One file for each kind of person; `shop` is what they all know of it."""
