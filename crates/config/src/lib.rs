//! Every setting of Hansard, from file, environment and flags, checked once.
