//! Source: a resource's plan becomes its pages, in order, ended by a named reason.
//!
//! In: [`crate::config::ResourcePlan`]. Out: a [`Delivery`] a page, then the [`End`]; or a typed error after the retries are spent.
//! Invariants: a body is delivered only when it has been received whole; credentials go to the configured origin only; a
//! repeated cursor, link or page is an error, never a loop and never a quiet end.
//! Not here: what is in a record. Whoever decodes a page answers with its [`PageFacts`], which decide about the next.

mod page;

pub(crate) use page::*;
