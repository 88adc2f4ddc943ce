SELECT current_setting('server_version_num')::int, current_database(), current_user, (now() AT TIME ZONE 'UTC')::date
