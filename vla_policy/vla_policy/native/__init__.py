"""The native vision-language-action model, in plain torch. `vla.py` puts the parts together."""
