-- Lists of the catalogue with many courses: their number, what a reader does not see, and the languages.
CREATE INDEX publication_listing ON publication (tenant, kind, listing, id);
CREATE INDEX publication_lang ON publication (tenant, kind, lang);
