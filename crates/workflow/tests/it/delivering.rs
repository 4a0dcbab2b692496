//! What was promised arrives: webhooks and callbacks, as their receivers meet them.

mod callbacks;
mod receivers;
mod secrets;
mod shop;
mod webhooks;
