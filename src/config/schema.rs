//! JSON Schema (2020-12) of the document, for editors and for `gatewright schema`.
//!
//! It is made from the very types that read the file; policy options come from the catalogue.

use serde_json::{Map, Value, json};

use super::catalogue::Catalogue;
use super::document::{Document, Policy};

/// The whole schema.
#[must_use]
pub fn schema(catalogue: &dyn Catalogue) -> Value {
    let mut schema = schemars::schema_for!(Document).to_value();
    let mut kinds = Map::new();
    let mut definitions = Map::new();
    for (kind, mut options) in catalogue.option_schemas() {
        hoist(kind, &mut options, &mut definitions);
        kinds.insert(kind.to_owned(), json!({ "anyOf": [options, { "type": "null" }] }));
    }
    optional(&mut schema);
    if let Some(known) = schema.get_mut("$defs").and_then(Value::as_object_mut) {
        known.extend(definitions);
        if let Some(policy) = known.get_mut("Policy") {
            *policy = any_policy(policy, kinds);
        }
    }
    schema
}

/// A policy of any kind: `own` is what config knows by itself, the kind `lua` and what stands beside it.
fn any_policy(own: &Value, mut kinds: Map<String, Value>) -> Value {
    let mut properties = own.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let mut one_of: Vec<Value> = kinds.keys().map(|kind| json!({ "required": [kind] })).collect();
    one_of.push(json!({ "required": ["lua"] }));
    let beside: Map<String, Value> = Policy::BESIDE.iter().map(|key| ((*key).to_owned(), json!(["lua"]))).collect();
    properties.append(&mut kinds);
    json!({
        "description": "A policy: one key says which kind, and holds its options.",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
        "oneOf": one_of,
        "dependentRequired": beside,
    })
}

/// A list or table that may be left out may also be left empty: `use:` with every line below it commented out.
fn optional(schema: &mut Value) {
    let required: Vec<Value> = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        for (name, property) in properties {
            if let (false, Some(Value::String(kind))) = (required.iter().any(|key| key == name), property.get("type"))
                && matches!(kind.as_str(), "array" | "object")
            {
                property["type"] = json!([kind, "null"]);
            }
        }
    }
    if let Some(definitions) = schema.get_mut("$defs").and_then(Value::as_object_mut) {
        definitions.values_mut().for_each(optional);
    }
}

/// Moves a kind's own definitions to the root, under names of its own.
fn hoist(kind: &str, options: &mut Value, definitions: &mut Map<String, Value>) {
    let Some(table) = options.as_object_mut() else { return };
    table.remove("$schema");
    let own = table.remove("$defs");
    point(kind, options);
    if let Some(Value::Object(own)) = own {
        for (name, mut definition) in own {
            point(kind, &mut definition);
            definitions.insert(format!("{kind}.{name}"), definition);
        }
    }
}

/// Makes references follow their definitions.
fn point(kind: &str, schema: &mut Value) {
    match schema {
        Value::Object(table) => {
            for (key, value) in table {
                match value {
                    Value::String(reference) if key == "$ref" => {
                        if let Some(name) = reference.strip_prefix("#/$defs/") {
                            *reference = format!("#/$defs/{kind}.{name}");
                        }
                    }
                    value => point(kind, value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| point(kind, item)),
        _ => {}
    }
}
