//! The HTTP edge: native API, adapters, probes.
