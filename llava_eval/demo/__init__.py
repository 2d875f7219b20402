"""The demo: a tiny LLaVA that reads handwritten digits, how it is made, and its mini splits."""
