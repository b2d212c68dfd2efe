module radam

go 1.19
