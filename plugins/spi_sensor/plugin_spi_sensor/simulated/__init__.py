"""The chips at register level, for a simulated bus: what their data sheets say, conversion times included."""
