use super::*;

#[test]
fn columns_are_read_from_a_map_or_a_list() {
    let map = plan(&resource(
        "columns: {id: {data_type: bigint, primary_key: true}, amount: {data_type: decimal, precision: 10, scale: 2}}\nwrite_disposition: merge",
    ));
    let list = plan(&resource(
        "columns:\n- {name: id, data_type: bigint, primary_key: true}\n- {name: amount, data_type: decimal, precision: 10, scale: 2}\nwrite_disposition: merge",
    ));
    assert_eq!(map.resources[0].columns, list.resources[0].columns);
    assert_eq!(map.resources[0].primary_key, ["id"]);
    assert_eq!(map.resources[0].columns[1].declared, Some(DeclaredType::Decimal { precision: 10, scale: 2 }));
    let dlt = plan(&resource("columns: {a: {data_type: decimal}}"));
    assert_eq!(dlt.resources[0].columns[0].declared, Some(DeclaredType::Decimal { precision: 38, scale: 9 }));
}

#[test]
fn hints_that_have_no_meaning_here_say_what_to_write() {
    check(
        &resource(
            "columns:\n  a: {data_type: wei}\n  b: {data_type: time, partition: true}\n  c: {data_type: binary, root_key: true}\n  d: {data_type: timestamp, timezone: false, precision: 9}\n  e: {precision: 3, accept_text: true}\n  f: {data_type: strng}",
        ),
        &[
            "8:22: `resources[0].columns.a.data_type`: `wei` is refused: no reader's integers have 78 digits; write `decimal` with `precision: 38` and `scale: 0`, or `text`",
            "9:22: `resources[0].columns.b.data_type`: `time` is refused: a time of day has no type that all readers share; write `text`",
            "9:28: `resources[0].columns.b.partition`: `partition` is refused: write the column in `partition_by`",
            "10:22: `resources[0].columns.c.data_type`: `binary` is refused: JSON has no bytes; write `text`, which keeps what comes",
            "10:30: `resources[0].columns.c.root_key`: `root_key` is refused: it is of dlt's child tables and variant columns, which lakeward does not make",
            "11:43: `resources[0].columns.d.timezone`: a time without a zone is no point in time; `cast` it with its `timezone`, or keep it as `text`",
            "11:61: `resources[0].columns.d.precision`: timestamps have microseconds, precision 6; keep finer ones as `text`",
            "12:22: `resources[0].columns.e.precision`: goes with a `data_type`",
            "12:38: `resources[0].columns.e.accept_text`: `accept_text` needs a `data_type` that values come in as text for, such as `decimal` or `bigint`",
            "13:22: `resources[0].columns.f.data_type`: unknown data type `strng`; expected one of `text`, `double`, `bool`, `timestamp`, `date`, `bigint`, `decimal`, `json`",
        ],
    );
}

#[test]
fn types_as_sql_spells_them_are_told_with_what_to_write_and_that_is_taken() {
    for (sql, shown, write) in [
        ("decimal(10,2)", "decimal(10,2)", "data_type: decimal, precision: 10, scale: 2"),
        ("NUMERIC(12, 4)", "numeric(12,4)", "data_type: decimal, precision: 12, scale: 4"),
        ("number(9)", "number(9)", "data_type: decimal, precision: 9, scale: 0"),
        ("decimal(x)", "decimal", "data_type: decimal"),
        ("varchar(20)", "varchar", "data_type: text"),
        ("integer", "integer", "data_type: bigint"),
        ("timestamp(6)", "timestamp", "data_type: timestamp"),
        ("BOOLEAN", "boolean", "data_type: bool"),
    ] {
        let why = format!("`{shown}` is not how a type is spelled here; write `{write}`");
        check(
            &resource(&format!("columns:\n  a: {{data_type: '{sql}'}}")),
            &[&format!("8:22: `resources[0].columns.a.data_type`: {why}")],
        );
        assert!(load_text(&resource(&format!("columns: {{a: {{{write}}}}}"))).is_ok(), "{write}");
    }
}

#[test]
fn keys_that_disagree_are_told() {
    check(
        &resource("primary_key: id\ncolumns: {key: {primary_key: true}}\nwrite_disposition: merge"),
        &["8:34: `resources[0].columns.key.primary_key`: `primary_key` is `id`, and `columns` flags `key`"],
    );
    check(
        &resource("primary_key: id\nmerge_key: day\nwrite_disposition: merge"),
        &[
            "8:16: `resources[0].merge_key`: a `merge_key` other than the `primary_key` deletes all rows with the key's values before it inserts, and a page that is missing then costs rows; lakeward merges by `primary_key` alone: write `merge_key` there, or use `replace`",
        ],
    );
    assert!(load_text(&resource("primary_key: id\nmerge_key: id\nwrite_disposition: merge")).is_ok());
    assert!(load_text(&resource("merge_key: day")).is_ok(), "without a merge a merge key has no effect, as in dlt");
}

#[test]
fn formats_other_than_parquet_are_refused() {
    check(
        &resource("file_format: csv\ntable_format: iceberg"),
        &[
            "7:18: `resources[0].file_format`: lakeward writes Parquet and nothing else, no `csv`; leave the key out",
            "8:19: `resources[0].table_format`: lakeward writes folders of Parquet files and Delta tables, and no `iceberg` tables; leave the key out",
        ],
    );
    let no_effect = "file_format: parquet\ntable_format: hive\nreferences: [{referenced_table: x}]\ncolumns: {a: {unique: true}}";
    assert!(load_text(&resource(no_effect)).is_ok());
    check(
        &resource("nested: tables\nnested_hints: {}\nparent_table_name: x"),
        &[
            "7:13: `resources[0].nested`: `tables` is refused: objects and lists stay in their row as structs and lists, which every reader opens",
            "8:5: `resources[0].nested_hints`: `nested_hints` is refused: lists stay in their row as lists, so there are no child tables to hint at",
            "9:5: `resources[0].parent_table_name`: `parent_table_name` is refused: lists stay in their row as lists, so there are no child tables to hint at",
        ],
    );
}

#[test]
fn one_table_has_one_resource() {
    check(
        "name: n\nclient: {base_url: \"http://a.test\"}\nlake: {url: ./lake}\nresources:\n  - {name: a, table_name: t}\n  - {name: b, table_name: t}\n  - {name: c, table_name: _t}\n  - {name: A, table_name: T}\n",
        &[
            "6:5: `resources[1]`: resources `a` and `b` would both write the table `t`; give one another `table_name`",
            "7:27: `resources[2].table_name`: expected a name of letters, digits, `_`, `-` and `.`, not beginning with `_` or `.`, at most 128 characters, found the text `_t`",
            "8:5: `resources[3]`: resources `a` and `A` would both write the table `T`, since case does not count in the names of folders everywhere; give one another `table_name`",
        ],
    );
}

#[test]
fn contracts_have_a_short_form_and_a_map() {
    let contract = |text: &str| plan(&resource(text)).resources[0].contract;
    assert_eq!(contract("selected: true"), ContractPlan::default());
    assert_eq!(contract("schema_contract: freeze").columns, Contract::Freeze);
    assert_eq!(contract("schema_contract: {columns: discard_value}").columns, Contract::DiscardValue);
    let quarantined = plan(&resource("schema_contract: {data_type: discard_row}\nmax_rejects: 5"));
    assert_eq!(quarantined.resources[0].on_reject, OnReject::Quarantine { max_rejects: Some(5) });
    let all = |mode| ContractPlan { tables: mode, columns: mode, data_type: mode };
    assert_eq!(contract("schema_contract: discard_value"), all(Contract::DiscardValue));
    assert_eq!(
        contract("schema_contract: {tables: discard_row}"),
        ContractPlan { tables: Contract::DiscardRow, ..ContractPlan::default() }
    );
    assert_eq!(plan(&resource("schema_contract: discard_value")).resources[0].on_reject, OnReject::Fail);
    check(
        &resource("schema_contract: {columns: thaw}"),
        &[
            "7:32: `resources[0].schema_contract.columns`: unknown contract `thaw`; expected one of `evolve`, `freeze`, `discard_row`, `discard_value`",
        ],
    );
}

#[test]
fn json_text_for_what_is_nested_has_two_spellings() {
    let nesting = |text: &str| plan(&resource(text)).resources[0].nesting_max;
    assert_eq!((nesting("nested: json"), nesting("max_table_nesting: 2"), nesting("nested: native")), (Some(0), Some(2), None));
    check(
        &resource("nested: json\nmax_table_nesting: 1"),
        &["7:13: `resources[0].nested`: `nested: json` is `max_table_nesting: 0`, and another number is given"],
    );
}

#[test]
fn hints_choose_among_the_records_of_a_key() {
    let merge = |text: &str| plan(&resource(text)).resources.remove(0).merge;
    let hints = "columns: {t: {dedup_sort: desc}, gone: {hard_delete: true}, other: {hard_delete: false}}";
    let expected = MergePlan {
        dedup_sort: Some(DedupSort { column: "t".into(), greatest: true }),
        hard_delete: Some("gone".into()),
        insert_only: false,
    };
    assert_eq!(merge(&format!("{hints}\nprimary_key: id\nwrite_disposition: merge")), expected);
    let list = "columns:\n- {name: t, dedup_sort: asc}\nprimary_key: id\nwrite_disposition: replace";
    assert_eq!(merge(list).dedup_sort, Some(DedupSort { column: "t".into(), greatest: false }));
    for (strategy, insert_only) in [("upsert", false), ("delete-insert", false), ("insert-only", true)] {
        let text = format!("primary_key: id\nwrite_disposition: {{disposition: merge, strategy: {strategy}}}");
        assert_eq!(merge(&text).insert_only, insert_only, "{strategy}");
    }
}

#[test]
fn hints_that_choose_nothing_are_refused_with_the_reason() {
    let check = |text: &str, expected: &str| check(&resource(text), &[expected]);
    check(
        "columns: {t: {dedup_sort: desc}}\nwrite_disposition: replace",
        "7:31: `resources[0].columns.t.dedup_sort`: it chooses among the records of one `primary_key`, and there is none; dlt passes over it then",
    );
    check(
        "columns: {t: {dedup_sort: desc}}\nprimary_key: id\nwrite_disposition: {disposition: merge, deduplicated: true}",
        "7:31: `resources[0].columns.t.dedup_sort`: `deduplicated: true` says that no key comes twice, and this which of its records stays",
    );
    check(
        "columns: {t: {dedup_sort: desc, data_type: json}}\nprimary_key: id\nwrite_disposition: merge",
        "7:31: `resources[0].columns.t.dedup_sort`: JSON text has no order; name a column of numbers, times, dates or text",
    );
    check(
        "columns: {t: {dedup_sort: desc}, u: {dedup_sort: asc}}\nprimary_key: id\nwrite_disposition: merge",
        "7:54: `resources[0].columns.u.dedup_sort`: one column has it, and here are `t` and `u`",
    );
    check(
        "columns: {t: {hard_delete: true}, u: {hard_delete: true}}\nprimary_key: id\nwrite_disposition: merge",
        "7:56: `resources[0].columns.u.hard_delete`: one column has it, and here are `t` and `u`",
    );
    check(
        "columns: {id: {hard_delete: true}}\nprimary_key: id\nwrite_disposition: merge",
        "7:33: `resources[0].columns.id.hard_delete`: a column of the `primary_key` has a value in every record, so every record would delete",
    );
    for disposition in ["append", "replace"] {
        check(
            &format!("columns: {{gone: {{hard_delete: true}}}}\nwrite_disposition: {disposition}"),
            "7:35: `resources[0].columns.gone.hard_delete`: rows are deleted by `merge` only, and dlt would load the flagged records as rows; leave them out with a `filter` in `processing_steps`",
        );
    }
    check(
        "columns: {t: {dedup_sort: latest}}\nprimary_key: id\nwrite_disposition: merge",
        "7:31: `resources[0].columns.t.dedup_sort`: unknown order `latest`; expected one of `asc`, `desc`",
    );
}

#[test]
fn a_strategy_that_keeps_versions_is_refused_with_its_keys() {
    check(
        &resource("write_disposition: {disposition: merge, strategy: scd2, boundary_timestamp: 2026-11-22}\nprimary_key: id"),
        &[
            "7:55: `resources[0].write_disposition.strategy`: `scd2` is refused: it keeps every version of a row, and a merged table has one row a key; `append` with an `incremental` cursor keeps them all",
            "7:61: `resources[0].write_disposition.boundary_timestamp`: `boundary_timestamp` is refused: it is of the strategy `scd2`, and a merged table has one row a key",
        ],
    );
    check(
        &resource("write_disposition: {disposition: append, strategy: upsert, deduplicated: true}"),
        &[
            "7:56: `resources[0].write_disposition.strategy`: `strategy` goes with `disposition: merge` only",
            "7:78: `resources[0].write_disposition.deduplicated`: `deduplicated` goes with `disposition: merge` only",
        ],
    );
}
