//! Files of every supported format, and of none, through the crate's public seam.

mod damaged;
mod formats;
mod mutate;
mod mutations;
mod reading;
