-- What a host lacks at present, as it says with each renewal: able, no bus, cut off, no connections. Null: the host runs a version that does
-- not know conditions; while there is such a host all take part, whatever they lack.
alter table host_lease add column condition text;
