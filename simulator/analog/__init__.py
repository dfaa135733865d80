"""The analog crossbar: programmed arrays, converters, errors and wires of one matrix or convolution."""
