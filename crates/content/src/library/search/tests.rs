use super::*;

#[test]
fn the_texts_of_an_account_have_row_ids_of_their_own() {
    let conn = Connection::open_in_memory().unwrap();
    conn.execute_batch(
        "CREATE TABLE page_text (rowid INTEGER PRIMARY KEY, account TEXT NOT NULL);",
    )
    .unwrap();
    let add = |account: &str| {
        let row = next_row(&conn, account).unwrap();
        conn.execute("INSERT INTO page_text VALUES (?1, ?2)", (row, account)).unwrap();
        row
    };
    assert_eq!(rows_of(&conn, "asha").unwrap(), None);
    let (asha, bina) = (1 << 40, 2 << 40);
    assert_eq!([add("asha"), add("asha"), add("bina")], [asha, asha + 1, bina]);
    assert_eq!([add("asha"), add("bina")], [asha + 2, bina + 1]);
    assert_eq!(rows_of(&conn, "asha").unwrap(), Some(asha..=bina - 1));
    // The last account is removed; its row ids are free again.
    conn.execute("DELETE FROM page_text WHERE account = 'bina'", []).unwrap();
    assert_eq!([add("chen"), add("asha"), add("bina")], [bina, asha + 3, 3 << 40]);
    // Texts of an earlier release begin at 1.
    conn.execute("UPDATE page_text SET rowid = rowid - ?1 WHERE account = 'asha'", [asha]).unwrap();
    assert_eq!((rows_of(&conn, "asha").unwrap(), add("asha")), (Some(0..=asha - 1), 4));
}
