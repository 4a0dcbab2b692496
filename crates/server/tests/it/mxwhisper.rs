//! MxWhisper's clients: what they upload and ask for, with the tokens that they have, and what was wrong with the original.

mod admin;
mod audio;
mod client;
mod collections;
mod contract;
mod credentials;
mod job_topics;
mod jobs;
mod topics;
