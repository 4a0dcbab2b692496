//! The configuration as its users write it.

mod documents;
mod hostile;
mod layers;
mod logging;
mod refusals;
mod secrets;
mod setup;
