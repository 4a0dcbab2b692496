//! Durable work: the workflows, their activities and the embedded runtime.
