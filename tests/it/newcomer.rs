//! Mistakes of a first config: each message says what to write, names no secret, and stands alone.

use serde_json::json;

use crate::support::billing::{answer, things, things_config};
use crate::support::fake_api::Reply;
use crate::support::sandbox::{Ended, Sandbox};

const CONFIG: &str = "\
name: shop
client: {base_url: 'http://127.0.0.1:1', paginator: single_page}
lake: {url: ./lake}
resources:
  - {name: customers, endpoint: customers}
  - name: orders
    include_from_parent: [id]
    endpoint: {path: 'customers/{resources.customers.id}/orders'}
";

/// What `check` says of the config with one part replaced; it must refuse it.
#[track_caller]
fn refused(old: &str, new: &str, value: Option<&str>) -> Ended {
    assert!(CONFIG.contains(old), "{old}");
    let sandbox = Sandbox::with_config(&CONFIG.replace(old, new));
    let sandbox = if let Some(value) = value { sandbox.env("SHOP_URL", value) } else { sandbox };
    let ended = sandbox.lakeward(&["check", "lakeward.yaml"]);
    assert_eq!(ended.code(), Some(2), "{ended}");
    ended
}

/// The one fault that it names has `words`.
#[track_caller]
fn check(old: &str, new: &str, words: &str) {
    let ended = refused(old, new, None);
    let faults: Vec<&str> = ended.stderr.lines().filter(|line| line.contains("lakeward.yaml:")).collect();
    assert!(faults.len() == 1 && faults[0].contains(words), "{words}: {ended}");
}

#[test]
fn a_variable_that_holds_no_url_is_named_without_its_value() {
    for (written, value) in
        [("'${SHOP_URL}'", "127.0.0.1:5868"), ("'${SHOP_URL}/v1'", "shop.example:5868"), ("'${SHOP_URL}'", "localhost:80")]
    {
        let ended = refused("'http://127.0.0.1:1'", written, Some(value));
        assert!(ended.stderr.contains("the value of `SHOP_URL` does not begin with `http://` or `https://`"), "{ended}");
        assert!(!ended.stderr.contains(value), "{ended}");
    }
    let ended = refused("paginator: single_page", "paginator: {type: offset, limit: '${SHOP_URL}'}", Some("a lot"));
    assert!(ended.stderr.contains("found the value of `SHOP_URL`") && !ended.stderr.contains("a lot"), "{ended}");
}

#[test]
fn a_placeholder_without_its_quotes_and_a_tab_are_told_at_their_line() {
    let bare = "path: customers/{resources.customers.id}/orders";
    check("path: 'customers/{resources.customers.id}/orders'", bare, "put a text with a placeholder in quotes");
    let since = "path: orders/{incremental.start_value}/x";
    check("path: 'customers/{resources.customers.id}/orders'", since, "put a text with a placeholder in quotes");
    check("    include_from_parent", "\tinclude_from_parent", "lakeward.yaml:7:1");
    check("    include_from_parent", "  \tinclude_from_parent", "indented with a tab: write spaces");
}

#[test]
fn a_misspelt_placeholder_is_one_fault_with_what_was_meant() {
    let meant = "did you mean `{resources.customers.id}`?";
    check("resources.customers.id", "customers.id", meant);
    check("resources.customers.id", "customer.id", meant);
    check("resources.customers.id", "resource.customers.id", meant);
    check("resources.customers.id", "resorces.custmers.id", meant);
    check("resources.customers.id", "resources.custmers.id", "did you mean `customers`?");
    check("resources.customers.id", "id", "write `{resources.NAME.id}` for a value of another resource");
    check("'customers/{resources.customers.id}/orders'", "orders, params: {of: '{customers.id}'}", meant);
}

#[test]
fn a_refused_api_key_is_told_with_where_it_was_sent() {
    let api = things(|_| Reply::status(401));
    for (auth, words) in [
        ("", "it was sent as the header `Authorization`"),
        (", name: X-Key", "it was sent as the header `X-Key`"),
        (", name: key, location: query", "it was sent as the query parameter `key`"),
    ] {
        let config = format!(
            "name: p\nclient: {{base_url: {}, auth: {{type: api_key, api_key: '${{KEY}}'{auth}}}}}\nlake: {{url: ./lake}}\nresources: [things]\n",
            api.url()
        );
        let sandbox = Sandbox::with_config(&config).env("KEY", "k-7Qx2-s3cret");
        let ended = sandbox.run();
        ended.failed_with(4, &["look at `client.auth.api_key`", words]);
        assert!(!ended.stderr.contains("k-7Qx2"), "{ended}");
    }
}

#[test]
fn a_data_selector_that_leads_to_an_object_is_told_with_the_lists_of_the_page() {
    let api = things(|_| answer(&json!({"meta": {"total": 2}, "data": [{"id": 1}, {"id": 2}]})));
    for steps in ["", "processing_steps: [{drop: [total]}]\n"] {
        let keys = format!("primary_key: id\nwrite_disposition: merge\n{steps}");
        let endpoint = format!("endpoint: {{path: /things, data_selector: meta, paginator: single_page}}\n{keys}");
        let sandbox = Sandbox::with_config(&things_config(&api.url(), &endpoint));
        let words = "`data_selector` leads to one object, and the page has a list at `data`: is that the records?";
        sandbox.run().failed_with(3, &[words]);
        sandbox.lakeward(&["check", "lakeward.yaml", "--online"]).failed_with(3, &[words]);
    }
}
