"""The timing ledger: where the time between a camera's stamp and the first setpoint went, chunk by chunk."""
