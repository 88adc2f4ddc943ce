-- The hash of each object's definition.
SELECT o.object, encode(sha256(convert_to(o.definition, 'UTF8')), 'hex')
FROM (
{definitions}
) AS o (object, definition)
ORDER BY o.object
