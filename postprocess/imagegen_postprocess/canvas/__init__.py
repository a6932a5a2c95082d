"""Canvas: where the product goes in the frame, and what lies behind it."""
