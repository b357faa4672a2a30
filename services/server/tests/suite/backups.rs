//! Backups as an operator makes them: the steps of `ops/backup.md`, with real processes.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use prost::Message as _;
use proto::v1;
use proto::v1::download_file_response::Part as Fetched;
use proto::v1::upload_file_request::Part as Sent;
use rustix::process::Signal;
use serde_json::Value;

use crate::process::Process;
use crate::support::Connection;
use crate::world::{Person, invite, message, register, sign_in, upload, upload_start, uuid};

/// How long anything may take on a slow day.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the program in `dir`, and has it answer for programs.
fn rookery(dir: &Path, line: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rookery"));
    command.current_dir(dir).args(line.split_whitespace());
    // For tests, and no setting.
    command.env_remove("ROOKERY_TEST_FDB");
    command.arg("--json").output().expect("it runs")
}

/// What a command ends with that does what it should.
pub(crate) fn done(dir: &Path, line: &str) -> Value {
    let output = rookery(dir, line);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {said}");
    serde_json::from_slice(&output.stdout).expect("an object")
}

/// Makes `backup.key`; its recipient.
pub(crate) fn keys(dir: &Path) -> String {
    let made = done(dir, "backup keygen --to backup.key");
    made["recipient"].as_str().expect("a recipient").to_owned()
}

/// The exit code, and what was said in all.
pub(crate) fn refused(dir: &Path, line: &str) -> (i64, String) {
    failed(&rookery(dir, line))
}

fn failed(output: &Output) -> (i64, String) {
    assert!(!output.status.success());
    let told: Value = serde_json::from_slice(&output.stderr).expect("an object");
    let code = told["error"]["exit_code"].as_i64().expect("a code");
    assert_eq!(output.status.code().map(i64::from), Some(code));
    (code, told["error"].to_string())
}

/// A server's people, and what they have said.
struct House {
    connection: Connection,
    ada: Person,
    bob: Person,
}

impl House {
    async fn build(process: &Process) -> Self {
        let connection = Connection::to(process.address).await;
        let invitation = process.invitation.clone().expect("nobody is here yet");
        let ada = register(&connection, "ada", &invitation).await;
        let bob = invite(&connection, &ada, "bob").await;
        Self {
            connection,
            ada,
            bob,
        }
    }

    /// The same, in another place: who was signed in has to sign in again.
    async fn enter(process: &Process) -> Self {
        let connection = Connection::to(process.address).await;
        let ada = sign_in(&connection, "ada").await;
        let bob = sign_in(&connection, "bob").await;
        Self {
            connection,
            ada,
            bob,
        }
    }

    /// A room of both, in which each has said something.
    async fn room(&self, name: &str) -> String {
        let create = v1::CreateRoomRequest {
            display_name: name.to_owned(),
            topic: "what it is about".to_owned(),
            request_id: uuid(),
        };
        let token = Some(self.ada.token.as_str());
        let call = self.connection.call(token, "Rooms/CreateRoom", &create);
        let room = call.await.ok::<v1::Room>().name;
        let add = v1::AddMemberRequest {
            parent: room.clone(),
            account: self.bob.account.clone(),
            role: v1::member::Role::Member.into(),
        };
        let call = self.connection.call(token, "Rooms/AddMember", &add);
        call.await.ok::<v1::Member>();
        for (person, body) in [(&self.ada, "hello"), (&self.bob, "good evening")] {
            let said = message(&room, &format!("{body} in {name}"));
            let token = Some(person.token.as_str());
            let call = self.connection.call(token, "Messages/SendMessage", &said);
            call.await.ok::<v1::SendMessageResponse>();
        }
        room
    }

    /// Has Ada send a file into a room: where in its log, and which.
    async fn send(&self, room: &str, bytes: &[u8]) -> (u64, String) {
        let token = Some(self.ada.token.as_str());
        let new = upload(room, "song.bin", bytes.len() as u64);
        let begun = self.connection.call(token, "Files/StartUpload", &new).await;
        let file = begun.ok::<v1::Upload>().name;
        let mut all = vec![upload_start(&file, 0).encode_to_vec()];
        all.extend(bytes.chunks(64 << 10).map(|piece| {
            let part = Some(Sent::Data(piece.to_vec().into()));
            v1::UploadFileRequest { part }.encode_to_vec()
        }));
        let sent = self.connection.call_with(token, "Files/UploadFile", &all);
        assert!(sent.await.ok::<v1::Upload>().finished);
        let mut said = message(room, "listen");
        said.attachments.push(file.clone());
        let said = self.connection.call(token, "Messages/SendMessage", &said);
        (said.await.ok::<v1::SendMessageResponse>().seq, file)
    }

    /// Has Bob fetch it. If that is refused: the reason.
    async fn fetch(&self, room: &str, seq: u64, file: &str) -> Result<Vec<u8>, String> {
        let wanted = v1::DownloadFileRequest {
            room: room.to_owned(),
            seq,
            file: file.to_owned(),
            ..Default::default()
        };
        let token = Some(self.bob.token.as_str());
        let answer = self.connection.call(token, "Files/DownloadFile", &wanted);
        let answer = answer.await;
        if answer.code != 0 {
            return Err(answer.reason);
        }
        let mut bytes = Vec::new();
        for part in answer.messages {
            let part = v1::DownloadFileResponse::decode(part).expect("decodes");
            if let Some(Fetched::Data(some)) = part.part {
                bytes.extend_from_slice(&some);
            }
        }
        Ok(bytes)
    }

    /// The room, without what a restore changes, and its whole log.
    async fn log(&self, room: &str) -> (v1::Room, v1::ListEventsResponse) {
        let token = Some(self.ada.token.as_str());
        let name = room.to_owned();
        let about = v1::GetRoomRequest { name };
        let call = self.connection.call(token, "Rooms/GetRoom", &about).await;
        let about = v1::Room {
            log_id: String::new(),
            ..call.ok()
        };
        let events = v1::ListEventsRequest {
            parent: room.to_owned(),
            ..Default::default()
        };
        let call = self.connection.call(token, "Messages/ListEvents", &events);
        (about, call.await.ok())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_house_is_moved_as_the_runbook_says() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let (old, new) = (folder.path().join("old"), folder.path().join("new"));
    for home in [&old, &new] {
        std::fs::create_dir(home).expect("makes");
    }
    let recipient = keys(folder.path());
    let make = |what: &str, to: &str| {
        let data = "--data-dir old/data";
        done(
            folder.path(),
            &format!("backup {what} --to {to} --recipient {recipient} {data}"),
        )
    };

    let mut process = Process::start(&old, &[]).await;
    let house = House::build(&process).await;
    let (kept, deleted) = (house.room("kept").await, house.room("deleted").await);
    let before = house.log(&kept).await;
    assert_eq!(before.1.events.len(), 4);

    // While it serves.
    let backed_up = make("", "one.backup");
    assert_eq!(backed_up["counts"]["rooms"], 2);
    assert_eq!(backed_up["counts"]["Account"], 2);
    let verify = "backup verify --from one.backup --identity backup.key";
    let verified = done(folder.path(), verify);
    assert_eq!(verified["records"], backed_up["records"]);

    // What is erased after the backup is in the list.
    let name = deleted.clone();
    let token = Some(house.ada.token.as_str());
    let delete = v1::DeleteRoomRequest { name };
    let call = house.connection.call(token, "Rooms/DeleteRoom", &delete);
    call.await.ok::<()>();
    process.signal(Signal::TERM);
    assert_eq!(process.ended(PATIENCE).await, Some(0));
    assert_eq!(make("erasures", "erasures")["counts"]["Erasure"], 1);

    // What is refused leaves no trace.
    let whole = std::fs::read(folder.path().join("one.backup")).expect("reads");
    std::fs::write(folder.path().join("cut"), &whole[..whole.len() - 1]).expect("writes");
    let restore = "restore --identity backup.key --erasures erasures --data-dir new/data --from";
    let (code, said) = refused(folder.path(), &format!("{restore} cut"));
    assert_eq!(code, 65, "{said}");
    assert!(!new.join("data").exists(), "nothing was made");

    let restored = done(folder.path(), &format!("{restore} one.backup"));
    assert_eq!(
        (&restored["rooms"], &restored["rooms_erased"]),
        (&1.into(), &1.into())
    );
    let keys = "rookery.keys";
    std::fs::copy(old.join("data").join(keys), new.join("data").join(keys)).expect("copies");
    let process = Process::start(&new, &[]).await;
    assert_eq!(process.invitation, None, "its people are there");
    let house = House::enter(&process).await;
    assert_eq!(house.log(&kept).await, before);
    let token = Some(house.ada.token.as_str());
    let gone = v1::GetRoomRequest { name: deleted };
    let gone = house.connection.call(token, "Rooms/GetRoom", &gone).await;
    assert_eq!(gone.code, 5, "NOT_FOUND: {}", gone.message);
    // And the house is lived in.
    house.room("new").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_come_along_unless_they_are_left_out() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let dir = folder.path();
    let mut process = Process::start(dir, &[]).await;
    let house = House::build(&process).await;
    let room = house.room("kept").await;
    // Two objects.
    let song: Vec<u8> = (0..=250).cycle().take(5_000_000).collect();
    let (seq, file) = house.send(&room, &song).await;
    let recipient = keys(dir);
    let make = |to: &str| format!("backup --to {to} --recipient {recipient} --data-dir data");
    let all = done(dir, &make("all"));
    assert_eq!(all["counts"]["file_bytes"], song.len());
    let left_out = done(dir, &make("rows --without-files"));
    assert_eq!(left_out["without_files"], true);
    process.signal(Signal::TERM);
    assert_eq!(process.ended(PATIENCE).await, Some(0));
    // A store that nobody has open is the same.
    assert_eq!(done(dir, &make("stopped"))["counts"], all["counts"]);

    for (from, expected) in [("all", Ok(song)), ("rows", Err("FILE_GONE".to_owned()))] {
        let home = dir.join(format!("new-{from}"));
        std::fs::create_dir(&home).expect("makes");
        let restore = format!("restore --from {from} --identity backup.key --data-dir");
        let restored = done(dir, &format!("{restore} new-{from}/data"));
        assert_eq!(restored["files"], usize::from(expected.is_ok()));
        assert_eq!(restored["files_missing"], usize::from(expected.is_err()));
        std::fs::copy(
            dir.join("data/rookery.keys"),
            home.join("data/rookery.keys"),
        )
        .expect("copies");
        let process = Process::start(&home, &[]).await;
        let house = House::enter(&process).await;
        assert!(house.fetch(&room, seq, &file).await == expected, "{from}");
        drop(process);
        // Files lie there now: they are not mixed with others.
        std::fs::remove_file(home.join("data/rookery.redb")).expect("removes");
        if expected.is_ok() {
            let (code, said) = refused(dir, &format!("{restore} new-{from}/data"));
            assert_eq!(code, 73, "{said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_backed_up_or_restored_says_why_and_what_to_do() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let dir = folder.path();
    let process = Process::start(dir, &[]).await;
    let recipient = keys(dir);
    done(dir, "backup keygen --to other.key");
    let make = format!("backup --to one.backup --recipient {recipient} --data-dir");
    done(dir, &format!("{make} data"));
    for (line, code, text) in [
        (format!("{make} data"), 73, "is there already"),
        (
            format!("{make} nowhere"),
            74,
            "there is no store in nowhere",
        ),
        (
            "backup --to x --recipient age1x --data-dir data".to_owned(),
            64,
            "keygen",
        ),
        (
            format!("backup --to no/folder/x --recipient {recipient} --data-dir data"),
            74,
            "run the backup again",
        ),
        (
            "backup verify --from one.backup --identity other.key".to_owned(),
            65,
            "none of the identities",
        ),
        (
            "backup verify --from backup.key --identity backup.key".to_owned(),
            65,
            "is not a backup",
        ),
        (
            "restore --from one.backup --identity backup.key --data-dir data".to_owned(),
            74,
            "in use by another process",
        ),
    ] {
        let (found, said) = refused(dir, &line);
        assert_eq!(found, code, "{line}: {said}");
        assert!(said.contains(text), "{line}: {said}");
    }
    drop(process);
    let restore = "restore --from one.backup --identity backup.key --data-dir data";
    let (code, said) = refused(dir, restore);
    assert_eq!(code, 73, "{said}");
    assert!(
        said.contains("the deployment that the backup is of"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_finds_the_disk_full_goes_on_when_there_is_place() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let dir = folder.path();
    let process = Process::start(dir, &[]).await;
    let house = House::build(&process).await;
    let room = house.room("long").await;
    let token = Some(house.ada.token.as_str());
    for _ in 0..90 {
        let body: String = (0..1_750).map(|_| uuid()).collect();
        let said = message(&room, &body);
        let call = house.connection.call(token, "Messages/SendMessage", &said);
        call.await.ok::<v1::SendMessageResponse>();
    }
    let recipient = keys(dir);
    let make = |to: &str| format!("backup --to {to} --recipient {recipient} --data-dir data");
    let whole = done(dir, &make("whole"));
    let bytes = whole["bytes"].as_u64().expect("a number");

    // A file that may not grow stands for a disk that is full.
    let blocks = bytes * 19 / 20 / 512;
    let program = env!("CARGO_BIN_EXE_rookery");
    let limited = format!(
        "trap '' XFSZ; ulimit -f {blocks}; exec {program} {} --json",
        make("cut")
    );
    let mut shell = Command::new("sh");
    let output = shell
        .current_dir(dir)
        .args(["-c", &limited])
        .output()
        .expect("it runs");
    let (code, said) = failed(&output);
    assert_eq!(code, 74, "{said}");
    assert!(said.contains("cut.partial cannot be written"), "{said}");
    assert!(!dir.join("cut").exists());
    let partial = std::fs::metadata(dir.join("cut.partial"))
        .expect("is there")
        .len();
    assert!(partial > bytes / 2, "{partial} of {bytes}");

    let rest = done(dir, &make("cut"));
    assert_eq!(rest["records"], whole["records"]);
    assert!(!dir.join("cut.partial").exists());
    let verified = done(dir, "backup verify --from cut --identity backup.key");
    assert_eq!(verified["counts"], whole["counts"]);
}
