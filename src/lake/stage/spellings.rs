#[derive(Debug, Default)]
pub(crate) struct Spellings;
