-- For the words of one card: each answer of a review looks for them.
CREATE INDEX word_card_card ON word_card (card);
