-- Where the provider shows a picture of the person.
ALTER TABLE identities ADD COLUMN picture TEXT;
