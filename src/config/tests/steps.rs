use super::*;

fn steps(list: &str) -> String {
    resource(&format!("processing_steps: {list}"))
}

#[test]
fn steps_are_read_in_order_and_one_key_a_step() {
    let plan =
        plan(&steps("[{filter: 'a > 1'}, {explode: lines, filter: 'b', drop: [c]}, {hash: [a, {columns: b, key: \"${KEY}\"}]}]"));
    let places: Vec<&str> = plan.resources[0].processing_steps.iter().map(|step| step.place.as_str()).collect();
    assert_eq!(
        places,
        [
            "processing_steps[0].filter",
            "processing_steps[1].filter",
            "processing_steps[1].drop",
            "processing_steps[1].explode",
            "processing_steps[2].hash",
            "processing_steps[2].hash"
        ]
    );
    assert!(!format!("{:?}", plan.resources[0].processing_steps).contains("s3cr3t"), "a key is shown");
}

#[test]
fn python_functions_are_refused_with_what_to_write() {
    check(
        &steps("[{filter: 'lambda r: r[\"id\"] > 1'}, {map: anonymize}, {yield_map: flatten}]"),
        &[
            "7:33: `resources[0].processing_steps[0].filter`: Python functions cannot be run; write an expression over the record's members, such as `status == \"open\" and amount > 5`",
            "7:60: `resources[0].processing_steps[1].map`: `map` needs Python and has no place in a config file; write what it does as `set`, `drop`, `keep`, `rename`, `cast`, `hash`, `mask` or `explode`",
            "7:78: `resources[0].processing_steps[2].yield_map`: `yield_map` needs Python and has no place in a config file; write what it does as `set`, `drop`, `keep`, `rename`, `cast`, `hash`, `mask` or `explode`",
        ],
    );
}

#[test]
fn faults_of_expressions_have_their_place() {
    check(
        &steps("[{filter: 'a >'}, {set: {b: 'c | uper'}}]"),
        &[
            "7:33: `resources[0].processing_steps[0].filter`: `a >` is not an expression: unexpected end of input, expected expression at character 4",
            "7:51: `resources[0].processing_steps[1].set.b`: `c | uper` is not an expression: there is no filter `uper` at character 5",
        ],
    );
}

#[test]
fn faults_of_steps_are_told_with_what_goes() {
    check(
        &steps("[{}, {fliter: a}, {drop: a, keep: b}, {drop: '$'}, {keep: 'a[0]'}, {explode: 'a[*]'}, {drop: []}]"),
        &[
            "7:24: `resources[0].processing_steps[0]`: expected a step: `filter`, `set`, `drop`, `keep`, `rename`, `cast`, `hash`, `mask` or `explode`, found an empty map",
            "7:29: `resources[0].processing_steps[1].fliter`: unknown key; did you mean `filter`?",
            "7:41: `resources[0].processing_steps[2]`: `drop` and `keep` in one step have no order; write two steps",
            "7:68: `resources[0].processing_steps[3].drop`: expected a path that ends in a name, such as `user.email`, found the text `$`",
            "7:81: `resources[0].processing_steps[4].keep`: expected a path of names and `[*]`, found the text `a[0]`",
            "7:100: `resources[0].processing_steps[5].explode`: expected a path of names, such as `order.lines`, found the text `a[*]`",
            "7:116: `resources[0].processing_steps[6].drop`: expected at least one path, found an empty list",
        ],
    );
}

#[test]
fn faults_of_casts_masks_and_keys_are_told_with_what_goes() {
    check(
        &steps(
            "\n  - cast: {a: int, b: 'decimal(40,2)', c.d: json, e: {to: text, from: iso}}\n  - cast: {a: {to: timestamp, format: '%d.%m.%Y'}, b: {to: timestamp, format: 'x%'}, c: {to: date, timezone: Mars}}\n  - mask: {columns: a, with: xx, keep_last: 2000}\n  - hash: {columns: a, key: ''}",
        ),
        &[
            "8:19: `resources[0].processing_steps[0].cast.a`: expected `integer`, `float`, `decimal(18,4)`, `text`, `boolean`, `timestamp`, `date` or `json`, found the text `int`",
            "8:27: `resources[0].processing_steps[0].cast.b`: a decimal has 1 to 38 digits, at most as many of them after the point",
            "8:49: `resources[0].processing_steps[0].cast[\"c.d\"]`: a cast to a decimal or to JSON text is for a column of its own; `set` one from the nested member first, or declare it in `schema:`",
            "8:75: `resources[0].processing_steps[0].cast.e.from`: `from`, `format` and `timezone` go with `to: timestamp` and `to: date` only",
            "9:19: `resources[0].processing_steps[1].cast.a`: `timezone` is missing: the pattern has no zone, so the times need one, such as `UTC`",
            "9:83: `resources[0].processing_steps[1].cast.b.format`: expected a strftime pattern such as `%d.%m.%Y %H:%M`, found the text `x%`",
            "9:114: `resources[0].processing_steps[1].cast.c.timezone`: expected a zone of the IANA database, such as `Europe/Berlin` or `UTC`, found the text `Mars`",
            "10:34: `resources[0].processing_steps[2].mask.with`: expected one character, found the text `xx`",
            "10:49: `resources[0].processing_steps[2].mask.keep_last`: expected a whole number from 0 to 1000, found the number `2000`",
            "11:33: `resources[0].processing_steps[3].hash.key`: an empty key protects nothing",
        ],
    );
}

#[test]
fn columns_that_the_resource_needs_are_not_taken_out_by_its_steps() {
    let check_steps = |steps: &str, expected: &[&str]| {
        check(&resource(&format!("primary_key: id\nprocessing_steps: [{steps}]")), expected);
    };
    let fault = |step: &str| {
        format!(
            "7:18: `resources[0].primary_key`: `primary_key` names `id`, which `processing_steps{step}` takes out of every record"
        )
    };
    check_steps("{drop: [a, id]}", &[&fault("[0].drop")]);
    check_steps("{set: {a: id}}, {keep: [a, b.id]}", &[&fault("[1].keep")]);
    check_steps("{rename: {id: key}}", &[&fault("[0].rename")]);
    // Taken out and put back, or kept in part, it may be there.
    check_steps("{drop: id}, {set: {id: a + 1}}", &[]);
    check_steps("{rename: {ID: id}}", &[]);
    check_steps("{keep: [id.value]}", &[]);
    check_steps("{explode: {path: lines, as: id}}", &[]);
    check(
        &resource("partition_by: day\nsort_by: -at\ncolumns: {x: {nullable: false}}\nprocessing_steps: [{drop: [day, at, x]}]"),
        &[
            "7:19: `resources[0].partition_by`: `partition_by` names `day`, which `processing_steps[0].drop` takes out of every record",
            "8:14: `resources[0].sort_by`: `sort_by` names `at`, which `processing_steps[0].drop` takes out of every record",
            "9:14: `resources[0].columns`: `columns` names `x`, which `processing_steps[0].drop` takes out of every record",
        ],
    );
    check(
        &resource(
            "primary_key: id\nwrite_disposition: merge\ncolumns: {at: {dedup_sort: desc}, gone: {hard_delete: true}}\nprocessing_steps: [{drop: [at, gone]}]",
        ),
        &[
            "9:14: `resources[0].columns`: `columns` names `at`, which `processing_steps[0].drop` takes out of every record",
            "9:14: `resources[0].columns`: `columns` names `gone`, which `processing_steps[0].drop` takes out of every record",
        ],
    );
}

#[test]
fn children_do_not_ask_for_what_the_parents_steps_take_out() {
    let text = root("  - name: child\n    endpoint: {path: \"x/{resources.r.id}/y\"}")
        .replace("endpoint: {path: p}", "endpoint: {path: p}\n    processing_steps: [{drop: id}]");
    check(&text, &["8:5: `resources[1]`: `child` asks `r` for `id`, which `processing_steps[0].drop` there takes out"]);
}
