//! Warnings: what a person should know of a run that goes on, each kind with a code that never changes.
//!
//! `docs/warnings.md` lists the codes; a test holds it to this file.

/// Something that a person should know and that stops nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Warning {
    /// Its kind.
    pub(crate) code: WarningCode,
    /// In words.
    pub(crate) text: String,
}

impl Warning {
    /// A warning in these words.
    pub(crate) fn new(code: WarningCode, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }
}

/// Defines [`WarningCode`]: each code with its name, and its [`Weight`].
macro_rules! codes {
    ($($(#[$doc:meta])+ $code:ident = $name:literal, $weight:ident;)+) => {
        /// The kind of a [`Warning`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) enum WarningCode {
            $($(#[$doc])+ $code,)+
        }

        impl WarningCode {
            /// All of them.
            #[cfg(test)]
            pub(crate) const ALL: &[Self] = &[$(Self::$code),+];

            /// As the summary spells it.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Self::$code => $name,)+
                }
            }

            /// How much it says about the rows.
            pub(crate) fn weight(self) -> Weight {
                match self {
                    $(Self::$code => weight!($weight),)+
                }
            }
        }
    };
}

macro_rules! weight {
    (matters) => {
        Weight::Matters
    };
    (told) => {
        Weight::Told
    };
    (asked) => {
        Weight::Asked
    };
    (late) => {
        Weight::Late
    };
}

/// How much a warning says about the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    /// The table may not be what it is thought to be: it stands in the summary, and `--strict` makes it a failure.
    Matters,
    /// It was dealt with, and the rows are what they would be without it: it is told while the run goes on.
    Told,
    /// The config asks for it: it is told while the run goes on, a fact of its resource in the summary, and nothing makes it a failure.
    Asked,
    /// Something failed once the rows were committed: it stands in the summary, and nothing makes it a failure.
    Late,
}

codes! {
    /// Last night's table has columns that no record of this run has.
    ColumnVanished = "column_vanished", matters;
    /// A column of a table that has rows became of a wider type.
    TypeWidened = "type_widened", matters;
    /// Text partitions that were there before are something else to some readers.
    PartitionMisread = "partition_misread", matters;
    /// Partition folders have about one row each.
    PartitionsThin = "partitions_thin", told;
    /// An object or a list became a column of JSON text.
    ColumnBecameJson = "column_became_json", matters;
    /// A table that has rows got new columns.
    ColumnAdded = "column_added", told;
    /// Files of a large table lack columns that newer ones have, as the config says.
    FilesLackColumns = "files_lack_columns", matters;
    /// Members were left out, or made null, as the schema or the contract says.
    ValuesDiscarded = "values_discarded", matters;
    /// Of members of one name in an object only the last counts.
    MembersRepeated = "members_repeated", matters;
    /// Characters that are none became U+FFFD.
    CharactersReplaced = "characters_replaced", matters;
    /// NUL characters were left out of texts.
    CharactersStripped = "characters_stripped", asked;
    /// Numbers were rounded to 64-bit floats, as the config says.
    NumbersRounded = "numbers_rounded", asked;
    /// Records could not become rows and are kept aside, and the config does not say how many may.
    RecordsRejected = "records_rejected", matters;
    /// Records were read for a table that must not be made.
    RecordsDiscarded = "records_discarded", matters;
    /// Records without a key came again, exactly the same, on later pages.
    RecordsCopied = "records_copied", matters;
    /// Many rows of the run have the key of another row of it.
    KeysRepeated = "keys_repeated", matters;
    /// A rule of the config drops pages, or ends the resource.
    PageIgnored = "page_ignored", asked;
    /// GraphQL gave errors beside data, which counts as the config says.
    PartialErrors = "partial_errors", asked;
    /// The API tells a total that the records read are not.
    TotalContradicted = "total_contradicted", matters;
    /// A total that the config says counts pages counts records.
    TotalCountsRecords = "total_counts_records", told;
    /// A total was not reached, and `allow_drift` accepts it.
    DriftAccepted = "drift_accepted", asked;
    /// There may be more pages than were found.
    MorePagesInDoubt = "more_pages_in_doubt", matters;
    /// The API cuts lists within records short.
    ListCutShort = "list_cut_short", matters;
    /// The API gives pages of another size than it is asked for.
    PageSizeDiffers = "page_size_differs", told;
    /// Rows moved while pages were read, and pages are read again.
    PagesReadAgain = "pages_read_again", told;
    /// Files that are not lakeward's stay in the folder of a table that is dropped.
    ForeignFilesLeft = "foreign_files_left", matters;
    /// A committed file of a table that is no longer in the config is gone for good.
    CommittedFileLost = "committed_file_lost", matters;
    /// A run makes a table, and the lake has one with the same columns that no resource has any more.
    TableLeftBehind = "table_left_behind", matters;
    /// A resource was not read for some of its parent's records, and no rule of the config says so.
    ParentRecordsSkipped = "parent_records_skipped", matters;
    /// Records of a parent ask for the same as earlier ones.
    ParentRecordsRepeated = "parent_records_repeated", told;
    /// A step names a member that no record has.
    StepWithoutMember = "step_without_member", matters;
    /// The config names a column that no record of the first page has.
    ColumnNotSeenYet = "column_not_seen_yet", told;
    /// The config declares a column that no record of a first run has, under a name that is nearly another's.
    ColumnMisspelt = "column_misspelt", matters;
    /// A header, such as that of CSV, lacks a column that the config declares or that other pages have.
    ColumnNotInHeader = "column_not_in_header", matters;
    /// None of a first run's records became a row.
    NothingKept = "nothing_kept", matters;
    /// All records are appended to a table that has some, and the config does not say so.
    AppendedUnasked = "appended_unasked", matters;
    /// A start is asked for, and the API does not heed it.
    StartIgnored = "start_ignored", matters;
    /// What the config leaves open was settled in a way that may surprise.
    ConfigSurprise = "config_surprise", told;
    /// Records came against `row_order`.
    OrderBroken = "order_broken", told;
    /// A cursor of the API expired, and reading went on from the farthest record.
    CursorExpired = "cursor_expired", told;
    /// Windows failed and are left to the next run.
    WindowsFailed = "windows_failed", matters;
    /// Many records share the last cursor, or lie within `lag`.
    ManyMarks = "many_marks", told;
    /// Cursors could not be kept, and the next run begins anew.
    CursorsForgotten = "cursors_forgotten", matters;
    /// This machine's clock is not the API's.
    ClockSkew = "clock_skew", told;
    /// A replay lacks secrets that stand in the recorded rows.
    SecretsNotReplayed = "secrets_not_replayed", matters;
    /// There are more warnings than are listed.
    MoreWarnings = "more_warnings", matters;
    /// The run report could not be written.
    ReportNotWritten = "report_not_written", late;
    /// The recording could not be written.
    RecordingNotWritten = "recording_not_written", late;
    /// Something is left behind in the lake's own folder: unfinished work, or the lease; a later run removes it.
    CleanUpFailed = "clean_up_failed", late;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_lists_every_code_with_its_weight() {
        let text = include_str!("../../docs/warnings.md");
        let rows = text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
        let listed: Vec<(&str, &str)> = rows.filter_map(|(code, rest)| Some((code, rest.split_once(" | ")?.0))).collect();
        let word = |code: &WarningCode| match code.weight() {
            Weight::Matters => "exit 3",
            Weight::Told => "not in it",
            Weight::Asked => "a fact",
            Weight::Late => "as without",
        };
        let codes: Vec<(&str, &str)> = WarningCode::ALL.iter().map(|code| (code.name(), word(code))).collect();
        assert_eq!(listed, codes, "the table of docs/warnings.md is in the order of src/base/warning.rs");
    }
}
