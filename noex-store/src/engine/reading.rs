//! Records as they were kept, read as the type that the bucket has now.

use std::collections::BTreeMap;
use std::fmt::Display;

use serde_json::value::RawValue;

use super::stored::StoredSchema;
use crate::bucket::Bucket;
use crate::bucket::definition::KeptDefault;
use crate::bucket::json::{JsonFault, from_json};
use crate::error::{Error, RecordProblem};
use crate::schema::{FieldSchema, Schema};

/// Reads a value that was kept, from its JSON.
pub(crate) type ReadOne<B> = Box<dyn Fn(&str) -> Result<B, Misfit> + Send + Sync>;

/// How many keys of a problem are listed.
const LISTED: usize = 10;

/// Why a record cannot be one of the bucket.
pub(crate) struct Misfit {
    field: String,
    /// What sort of a problem it is; those of one sort and field are one problem.
    sort: &'static str,
    reason: String,
}

impl Misfit {
    fn new(sort: &'static str, field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { field: field.into(), sort, reason: reason.into() }
    }

    /// What a migration has refused.
    pub(crate) fn of_migration(refusal: impl Display) -> Self {
        Self::new("migration", "", format!("the migration refuses it: {refusal}"))
    }

    /// What an insert would say of it.
    pub(crate) fn of_insert(error: Error) -> Self {
        match error {
            Error::UniqueConstraint { field, value, .. } => {
                let unique = if field.contains(", ") { "are unique together" } else { "is unique" };
                Self::new("unique", field, format!("{unique}, and another record has {value} too"))
            }
            Error::DuplicateKey { key, .. } => {
                Self::new("key", "", format!("another record has the key {key} too"))
            }
            other => Self::new("other", "", other.to_string()),
        }
    }

    /// The rules that it breaks.
    pub(crate) fn of_rules(error: Error) -> Vec<Self> {
        let Error::Validation { issues, .. } = error else { return vec![Self::of_insert(error)] };
        let misfit = |issue: crate::error::ValidationIssue| {
            // One problem for all elements of a list.
            let field = issue.field.split('[').next().unwrap_or_default().to_owned();
            Self::new(issue.code.as_str(), field, issue.message)
        };
        issues.into_iter().map(misfit).collect()
    }
}

impl From<JsonFault> for Misfit {
    fn from(JsonFault { field, code, reason }: JsonFault) -> Self {
        Self { field, sort: code.as_str(), reason }
    }
}

/// What is wrong with the records of a bucket; one problem for many records.
#[derive(Default)]
pub(super) struct Problems(Vec<(&'static str, RecordProblem)>);

impl Problems {
    pub(super) fn add(&mut self, key: &str, misfit: Misfit) {
        let Misfit { field, sort, reason } = misfit;
        self.one(sort, field, reason, 1, std::iter::once(key.to_owned()));
    }

    pub(super) fn add_all(&mut self, key: &str, misfits: Vec<Misfit>) {
        misfits.into_iter().for_each(|misfit| self.add(key, misfit));
    }

    pub(super) fn append(&mut self, other: Self) {
        for (sort, RecordProblem { field, reason, keys, records }) in other.0 {
            self.one(sort, field, reason, records, keys.into_iter());
        }
    }

    fn one(
        &mut self,
        sort: &'static str,
        field: String,
        reason: String,
        records: usize,
        keys: impl Iterator<Item = String>,
    ) {
        let known = self.0.iter().position(|(own, problem)| *own == sort && problem.field == field);
        let at = known.unwrap_or_else(|| {
            self.0.push((sort, RecordProblem { field, reason, keys: Vec::new(), records: 0 }));
            self.0.len() - 1
        });
        if let Some((_, problem)) = self.0.get_mut(at) {
            problem.records += records;
            let room = LISTED.saturating_sub(problem.keys.len());
            problem.keys.extend(keys.take(room));
        }
    }

    pub(super) fn into_result(self, bucket: &'static str) -> Result<(), Error> {
        if self.0.is_empty() {
            return Ok(());
        }
        let problems = self.0.into_iter().map(|(_, problem)| problem).collect();
        Err(Error::IncompatibleRecords { bucket, problems })
    }
}

/// What reads the records of a bucket that were kept with this schema; `None` if that is not known.
pub(crate) fn reader<B: Bucket>(kept: Option<&StoredSchema>) -> ReadOne<B> {
    let (schema, definition) = (B::schema(), B::definition());
    let version = kept.map_or(1, |kept| kept.version);
    if version == schema.version {
        return if kept == Some(&StoredSchema::of(schema)) {
            Box::new(|json| Ok(from_json(json)?))
        } else {
            let changes = FieldChanges::new(schema, definition.defaults, kept);
            Box::new(move |json| changes.read(json))
        };
    }
    if version < schema.version
        && let Some(previous) = &definition.previous
    {
        return (previous.reader)(kept);
    }
    let reason = of_another_version(schema, version);
    Box::new(move |_| Err(Misfit::new("version", "", reason.clone())))
}

fn of_another_version(schema: &Schema, version: u32) -> String {
    let (own, rust_type) = (schema.version, schema.rust_type);
    if version < own {
        format!(
            "was kept by version {version} of the bucket, and `{rust_type}` is version {own} and migrates from none"
        )
    } else {
        format!(
            "was kept by version {version} of the bucket, and `{rust_type}` is version {own}, an earlier one"
        )
    }
}

/// As [`reader`], by way of the type of an earlier version.
pub(crate) fn migrated<P: Bucket, B: Bucket + TryFrom<P, Error: Display>>(
    kept: Option<&StoredSchema>,
) -> ReadOne<B> {
    let read = reader::<P>(kept);
    Box::new(move |json| read(json).and_then(|value| B::try_from(value).map_err(Misfit::of_migration)))
}

/// What must be done to the fields of a record that was kept with another schema. Not generic: it is compiled once, and not for each
/// bucket.
struct FieldChanges {
    renamed: Vec<(&'static str, &'static [&'static str])>,
    added: Vec<(&'static str, &'static KeptDefault)>,
    removed: Vec<String>,
}

impl FieldChanges {
    fn new(schema: &'static Schema, defaults: &'static [KeptDefault], kept: Option<&StoredSchema>) -> Self {
        let fields = schema.fields;
        let is_new = |field: &&FieldSchema| kept.is_none_or(|kept| !kept.has(field.name));
        let field = |at: u16| fields.get(usize::from(at)).filter(is_new);
        let renamed: Vec<_> = fields
            .iter()
            .filter(is_new)
            .filter(|field| !field.renamed_from.is_empty())
            .map(|field| (field.name, field.renamed_from))
            .collect();
        let is_used =
            |name: &str| fields.iter().any(|field| field.name == name || field.renamed_from.contains(&name));
        let kept = kept.into_iter().flat_map(|kept| &kept.fields).map(|field| field.name.clone());
        let added = defaults.iter().filter_map(|default| Some((field(default.field)?.name, default)));
        Self { renamed, added: added.collect(), removed: kept.filter(|name| !is_used(name)).collect() }
    }

    /// The JSON with the fields that the bucket has now; and that without those that are gone, if there are any.
    fn apply(&self, text: &str) -> Result<(String, Option<String>), Misfit> {
        // Values stay as they are written: numbers of any size, and the order of maps.
        let unreadable =
            |error: serde_json::Error| Misfit::new("type", "", format!("cannot be read: {error}"));
        let mut fields: BTreeMap<String, Box<RawValue>> = serde_json::from_str(text).map_err(unreadable)?;
        for (name, earlier) in &self.renamed {
            if !fields.contains_key(*name)
                && let Some(value) = earlier.iter().find_map(|earlier| fields.remove(*earlier))
            {
                fields.insert((*name).to_owned(), value);
            }
        }
        for (name, default) in &self.added {
            if !fields.contains_key(*name) {
                let value = (default.json)().and_then(RawValue::from_string);
                let unwritable =
                    |error| Misfit::new("default", *name, format!("has a default without JSON: {error}"));
                fields.insert((*name).to_owned(), value.map_err(unwritable)?);
            }
        }
        let write = |fields: &BTreeMap<_, _>| serde_json::to_string(fields).map_err(unreadable);
        let all = write(&fields)?;
        if self.removed.is_empty() {
            return Ok((all, None));
        }
        self.removed.iter().for_each(|name| drop(fields.remove(name)));
        Ok((all, Some(write(&fields)?)))
    }

    fn read<B: Bucket>(&self, text: &str) -> Result<B, Misfit> {
        let (all, without) = self.apply(text)?;
        match (from_json(&all), without) {
            (Ok(value), _) => Ok(value),
            // With `deny_unknown_fields`, what was removed must be. Without need it is not: serde may know it by another name.
            (Err(_), Some(without)) => from_json(&without).map_err(Misfit::from),
            (Err(fault), None) => Err(fault.into()),
        }
    }
}
