//! The plainest copy of a store: rows, one after the other, into a file and back.
//!
//! Invariant: what comes back is as many rows as went out.

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Read as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use cluster_store::{Embedded, EmbeddedOptions, RangeQuery, Store, StoreError, Transaction};
use tokio::time::Instant;

use super::{BATCH_BYTES, Copied};
use crate::folder;
use crate::stats::length;

type Row = (Bytes, Bytes);

/// Copies the store in this folder, which nobody has open.
pub(super) async fn there_and_back(data_dir: &Path) -> anyhow::Result<Copied> {
    let folder = folder::new()?;
    let file = folder.path().join("rows");
    let store = Store::new(Embedded::open(data_dir, EmbeddedOptions::default())?);
    let began = Instant::now();
    let (rows, bytes) = out(&store, &file).await?;
    let out_per_second = per_second(bytes, began);
    store.close().await;

    let copy = folder.path().join("data");
    let store = Store::new(Embedded::open(&copy, EmbeddedOptions::default())?);
    let began = Instant::now();
    ensure!(back(&store, &file).await? == rows, "rows are missing");
    let in_per_second = per_second(bytes, began);
    store.close().await;
    Ok(Copied {
        out_per_second,
        in_per_second,
    })
}

fn per_second(bytes: usize, began: Instant) -> f64 {
    length(bytes) / 1e6 / began.elapsed().as_secs_f64()
}

/// Rows and their bytes.
async fn out(store: &Store, to: &Path) -> anyhow::Result<(usize, usize)> {
    let mut file = BufWriter::new(File::create_new(to)?);
    let (mut rows, mut bytes) = (0, 0);
    let mut rest = Some(RangeQuery::new(&[][..], &[0xff][..]).snapshot());
    while let Some(query) = rest {
        let read = |tx: Transaction| {
            let query = query.clone();
            async move { tx.get_range(query).await }
        };
        let page = store.read::<_, StoreError, _, _>(read).await?;
        rest = query.after(&page);
        for (key, value) in page.rows {
            for part in [&key, &value] {
                let length = u32::try_from(part.len()).context("a row is too long")?;
                file.write_all(&length.to_be_bytes())?;
                file.write_all(part)?;
                bytes += part.len();
            }
            rows += 1;
        }
    }
    file.into_inner()?.sync_all()?;
    Ok((rows, bytes))
}

async fn back(store: &Store, from: &Path) -> anyhow::Result<usize> {
    let mut file = BufReader::new(File::open(from)?);
    let (mut rows, mut bytes, mut written) = (Vec::new(), 0, 0);
    loop {
        let row = read_row(&mut file)?;
        let is_end = row.is_none();
        if let Some((key, value)) = row {
            bytes += key.len() + value.len();
            rows.push((key, value));
        }
        if bytes >= BATCH_BYTES || is_end {
            written += rows.len();
            write(store, &std::mem::take(&mut rows)).await?;
            bytes = 0;
        }
        if is_end {
            return Ok(written);
        }
    }
}

async fn write(store: &Store, rows: &[Row]) -> Result<(), StoreError> {
    let write = |tx: Transaction, _| async move {
        rows.iter().try_for_each(|(key, value)| tx.set(key, value))
    };
    store.run(write).await
}

fn read_row(file: &mut BufReader<File>) -> anyhow::Result<Option<Row>> {
    if file.fill_buf()?.is_empty() {
        return Ok(None);
    }
    let key = read_part(file)?;
    Ok(Some((key, read_part(file)?)))
}

fn read_part(file: &mut BufReader<File>) -> anyhow::Result<Bytes> {
    let mut length = [0; 4];
    file.read_exact(&mut length)?;
    let mut bytes = vec![0; usize::try_from(u32::from_be_bytes(length))?];
    file.read_exact(&mut bytes)?;
    Ok(bytes.into())
}
