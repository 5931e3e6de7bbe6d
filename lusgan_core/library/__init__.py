"""The functions behind ``import lusgan_core``: thin over the stages, without a store to set up."""
