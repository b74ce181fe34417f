"""Vision and language encoders: images and words in, tokens out."""
