//! Who may do what: one row for each call and each command of a stream, one column for each standing.
//!
//! `ok` it works, `U` UNAUTHENTICATED, `N` NOT_FOUND (as if it did not exist), `P` PERMISSION_DENIED,
//! `F` FAILED_PRECONDITION. What is done to somebody is done to a plain member who is none of the
//! columns, what is said was said by that one.

/// The rows, in the order of the .proto files. A call without a row fails the tests.
pub(crate) const MATRIX: &str = "
                                    anon stranger member muted removed banned moderator owner administrator
Accounts/SignIn                     ok   ok       ok     ok    ok      ok     ok        ok    ok
Accounts/RegisterAccount            ok   ok       ok     ok    ok      ok     ok        ok    ok
Accounts/SignOut                    U    ok       ok     ok    ok      ok     ok        ok    ok
Accounts/ListSignIns                U    ok       ok     ok    ok      ok     ok        ok    ok
Accounts/DeleteSignIn               U    N        N      N     N       N      N         N     N
Accounts/ChangePassword             U    ok       ok     ok    ok      ok     ok        ok    ok
Accounts/GetAccount                 U    ok       ok     ok    ok      ok     ok        ok    ok
Accounts/LookUpAccount              U    ok       ok     ok    ok      ok     ok        ok    ok
Accounts/UpdateAccount              U    ok       ok     ok    ok      ok     ok        ok    ok

Administration/ListAccounts         U    P        P      P     P       P      P         P     ok
Administration/SuspendAccount       U    P        P      P     P       P      P         P     ok
Administration/ResumeAccount        U    P        P      P     P       P      P         P     ok
Administration/SetAccountRole       U    P        P      P     P       P      P         P     ok
Administration/CreateInvitation     U    P        P      P     P       P      P         P     ok
Administration/ListInvitations      U    P        P      P     P       P      P         P     ok
Administration/DeleteInvitation     U    P        P      P     P       P      P         P     ok
Administration/ListServerRooms      U    P        P      P     P       P      P         P     ok
Administration/DeleteServerRoom     U    P        P      P     P       P      P         P     ok
Administration/GetServerStatus      U    P        P      P     P       P      P         P     ok
Administration/ListServerNodes      U    P        P      P     P       P      P         P     ok
Administration/MoveServerRoom       U    P        P      P     P       P      P         P     F
Administration/DrainServerNode      U    P        P      P     P       P      P         P     F
Administration/ResumeServerNode     U    P        P      P     P       P      P         P     F
Administration/RotateKeys           U    P        P      P     P       P      P         P     ok
Administration/GetKeyRotation       U    P        P      P     P       P      P         P     ok

Files/StartUpload                   U    N        ok     P     N       N      ok        ok    N
Files/GetUpload                     U    N        N      N     N       N      N         N     N
Files/ListUploads                   U    ok       ok     ok    ok      ok     ok        ok    ok
Files/DeleteUpload                  U    N        N      N     N       N      N         N     N
Files/UploadFile                    U    N        N      N     N       N      N         N     N
Files/DownloadFile                  U    N        N      N     N       N      N         N     N

Rooms/CreateRoom                    U    ok       ok     ok    ok      ok     ok        ok    ok
Rooms/OpenDirectRoom                U    ok       ok     ok    ok      ok     ok        ok    ok
Rooms/GetRoom                       U    N        ok     ok    N       N      ok        ok    N
Rooms/ListRooms                     U    ok       ok     ok    ok      ok     ok        ok    ok
Rooms/UpdateRoom                    U    N        P      P     N       N      ok        ok    N
Rooms/ArchiveRoom                   U    N        P      P     N       N      P         ok    N
Rooms/UnarchiveRoom                 U    N        P      P     N       N      P         ok    N
Rooms/DeleteRoom                    U    N        P      P     N       N      P         ok    N
Rooms/ListMembers                   U    N        ok     ok    N       N      ok        ok    N
Rooms/AddMember                     U    N        P      P     N       N      ok        ok    N
Rooms/RemoveMember                  U    N        P      P     N       N      ok        ok    N
Rooms/LeaveRoom                     U    N        ok     ok    N       N      ok        F     N
Rooms/SetMemberRole                 U    N        P      P     N       N      P         ok    N
Rooms/MuteMember                    U    N        P      P     N       N      ok        ok    N
Rooms/UnmuteMember                  U    N        P      P     N       N      ok        ok    N
Rooms/BanAccount                    U    N        P      P     N       N      ok        ok    N
Rooms/UnbanAccount                  U    N        P      P     N       N      ok        ok    N
Rooms/ListBans                      U    N        P      P     N       N      ok        ok    N
Rooms/CreateRoomLink                U    N        P      P     N       N      ok        ok    N
Rooms/DeleteRoomLink                U    N        P      P     N       N      ok        ok    N
Rooms/JoinRoom                      U    ok       ok     ok    ok      N      ok        ok    ok

Messages/SendMessage                U    N        ok     P     N       N      ok        ok    N
Messages/EditMessage                U    N        P      P     N       N      P         P     N
Messages/DeleteMessage              U    N        P      P     N       N      ok        ok    N
Messages/GetEvent                   U    N        ok     ok    N       N      ok        ok    N
Messages/ListEvents                 U    N        ok     ok    N       N      ok        ok    N
Messages/MarkRead                   U    N        ok     ok    N       N      ok        ok    N
Messages/ListReaders                U    N        ok     ok    N       N      ok        ok    N
Messages/SetTyping                  U    N        ok     ok    N       N      ok        ok    N

Sessions/Connect                    U    ok       ok     ok    ok      ok     ok        ok    ok
Sessions/Connect#follow_room        U    N        ok     ok    N       N      ok        ok    N
Sessions/Connect#unfollow_room      U    ok       ok     ok    ok      ok     ok        ok    ok
Sessions/Connect#send_message       U    N        ok     P     N       N      ok        ok    N
Sessions/Connect#edit_message       U    N        P      P     N       N      P         P     N
Sessions/Connect#delete_message     U    N        P      P     N       N      ok        ok    N
Sessions/Connect#mark_read          U    N        ok     ok    N       N      ok        ok    N
Sessions/Connect#set_typing         U    N        ok     ok    N       N      ok        ok    N
Sessions/Connect#set_presence       U    ok       ok     ok    ok      ok     ok        ok    ok
Sessions/Connect#watch_presence     U    ok       ok     ok    ok      ok     ok        ok    ok
";

/// The code that a word of the matrix stands for.
pub(crate) fn code(word: &str) -> i32 {
    match word {
        "ok" => 0,
        "N" => 5,
        "P" => 7,
        "F" => 9,
        "U" => 16,
        other => panic!("{other} is no word of the matrix"),
    }
}

/// Each row: what is called, and a word for each standing.
pub(crate) fn rows() -> Vec<(&'static str, Vec<&'static str>)> {
    let lines = MATRIX.lines().filter(|line| !line.is_empty()).skip(1);
    let row = |line: &'static str| {
        let mut words = line.split_whitespace();
        (words.next().expect("a call"), words.collect::<Vec<_>>())
    };
    lines.map(row).collect()
}
