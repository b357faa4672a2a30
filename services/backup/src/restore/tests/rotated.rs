//! A backup while the keys of the store are rotated.

use cluster_store::schema::Vault;

use super::*;
use crate::collect::{CollectError, Collector, Progress};

/// The store while its vault names these generations: keys are wrapped under the last one. Of Anna's, those of
/// `months` are left.
async fn wrapped(home: &Home, generations: &[u32], months: &[u32]) {
    let named = generations.iter().map(|number| v1::KeyGeneration {
        number: *number,
        ..Default::default()
    });
    let vault = v1::Vault {
        generations: named.collect(),
        ..Default::default()
    };
    let key = v1::DataKey {
        generation: *generations.last().expect("one at least"),
        ..Default::default()
    };
    home.write(|tx| {
        tx.set_row(&Vault {}, &vault)?;
        for number in 1..=2 {
            let (account, month) = (ANNA, Month(number));
            if months.contains(&number) {
                tx.set_row(&AccountKey { account, month }, &key)?;
            } else {
                tx.clear_row(&AccountKey { account, month })?;
            }
        }
        let (room, week) = (GROUP, Week(3));
        tx.set_row(&RoomKey { room, week }, &key)
    })
    .await;
}

#[tokio::test]
async fn all_keys_are_under_the_generation_that_the_vault_names() {
    let home = Home::empty().await;
    World::new(home.store.clone(), GROUP).await;
    let account = ANNA;
    home.write(|tx| tx.set_row(&Account { account }, &Default::default()))
        .await;
    wrapped(&home, &[1], &[1, 2]).await;
    let mut collector = Collector::new(
        home.store.clone(),
        Files::default().sealed(),
        Progress::default(),
    );
    let mut records = Vec::new();
    while !collector.progress().counts.contains_key("AccountKey") {
        let step = collector.step().await.expect("reads");
        records.extend(step.expect("there are keys of rooms to come"));
    }
    // They are rotated before those of rooms are copied, and one is destroyed.
    wrapped(&home, &[1, 2], &[1]).await;
    for _ in 0..2 {
        let error = collector.step().await.expect_err("has to wait");
        assert!(matches!(error, CollectError::Rotating), "{error}");
    }
    wrapped(&home, &[2], &[1]).await;
    let progress = Progress::decode(&collector.progress().encode()).expect("was encoded");
    let mut collector = Collector::new(home.store.clone(), Files::default().sealed(), progress);
    while let Some(found) = collector.step().await.expect("reads") {
        records.extend(found);
    }
    let counts = &collector.progress().counts;
    assert_eq!((counts["AccountKey"], counts["RoomKey"]), (1, 1));

    let mut survey = Survey::default();
    for record in &records {
        survey.add(record).expect("is known");
    }
    let mut sift = Sift::new(survey, Rng::seeded(1));
    let mut restored = Rows::new();
    for record in records {
        let rows = sift.take(record).expect("sifts");
        restored.extend(rows.into_iter().map(|row| (row.key, row.value)));
    }
    let wanted = dump(&home.store).await.into_iter().filter(|(key, _)| {
        let table = Table::of_key(key);
        matches!(
            table,
            Some(Table::Vault | Table::AccountKey | Table::RoomKey)
        )
    });
    let wanted: Vec<_> = wanted.collect();
    assert_eq!(wanted.len(), 3);
    restored.retain(|key, _| wanted.iter().any(|(other, _)| other[..2] == key[..2]));
    assert_eq!(restored.into_iter().collect::<Vec<_>>(), wanted);
}
