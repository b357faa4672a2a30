//! The pure part: own writes against a plain map, in any order of operations.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;

use super::writes::Writes;
use crate::backend::Mutation;

#[derive(Clone, Debug)]
enum Op {
    Set(u8, u8),
    Clear(u8),
    ClearRange(u8, u8),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (0..32_u8, any::<u8>()).prop_map(|(key, value)| Op::Set(key, value)),
        (0..32_u8).prop_map(Op::Clear),
        (0..32_u8, 0..33_u8).prop_map(|(begin, end)| Op::ClearRange(begin, end)),
    ]
}

fn one(byte: u8) -> Bytes {
    Bytes::copy_from_slice(&[byte])
}

type Model = BTreeMap<Bytes, Bytes>;

fn apply_to_model(model: &mut Model, op: &Op) {
    match *op {
        Op::Set(key, value) => drop(model.insert(one(key), one(value))),
        Op::Clear(key) => drop(model.remove(&one(key))),
        Op::ClearRange(begin, end) => model.retain(|key, _| !(begin..end).contains(&key[0])),
    }
}

fn apply_to_writes(writes: &mut Writes, op: &Op) {
    match *op {
        Op::Set(key, value) => writes.set(one(key), one(value)),
        Op::Clear(key) => writes.clear(one(key)),
        Op::ClearRange(begin, end) => writes.clear_range(one(begin), one(end)),
    }
}

fn apply_mutations(base: &Model, mutations: Vec<Mutation>) -> Model {
    let mut model = base.clone();
    for mutation in mutations {
        match mutation {
            Mutation::Set { key, value } => drop(model.insert(key, value)),
            Mutation::Clear { key } => drop(model.remove(&key)),
            Mutation::ClearRange { begin, end } => {
                model.retain(|key, _| !(begin <= *key && *key < end));
            }
        }
    }
    model
}

proptest! {
    #[test]
    fn own_writes_read_and_commit_as_on_a_plain_map(
        base in prop::collection::btree_map(0..32_u8, any::<u8>(), 0..32),
        ops in prop::collection::vec(op(), 0..24),
        begin in 0..32_u8,
        end in 0..33_u8,
        reverse in any::<bool>(),
    ) {
        let base: Model = base.into_iter().map(|(key, value)| (one(key), one(value))).collect();
        let (mut model, mut writes) = (base.clone(), Writes::default());
        for op in &ops {
            apply_to_model(&mut model, op);
            apply_to_writes(&mut writes, op);
        }

        for key in 0..32 {
            let key = one(key);
            let read = writes.lookup(&key).unwrap_or_else(|| base.get(&key).cloned());
            prop_assert_eq!(read, model.get(&key).cloned());
        }

        if begin < end {
            let (begin, end) = (one(begin), one(end));
            let inside = |map: &Model| -> Vec<(Bytes, Bytes)> {
                let rows = map.range(begin.clone()..end.clone());
                let mut rows: Vec<_> = rows.map(|(k, v)| (k.clone(), v.clone())).collect();
                if reverse {
                    rows.reverse();
                }
                rows
            };
            prop_assert_eq!(writes.merge(inside(&base), &begin, &end, reverse), inside(&model));
        }

        prop_assert_eq!(apply_mutations(&base, writes.into_mutations()), model);
    }
}
