module gogob

go 1.24
