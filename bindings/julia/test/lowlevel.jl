# Loading, and statuses and sentences as they come from the library.

@testset "the library fits" begin
    @test LibRAdam.version() == LowLevel.API_VERSION
    @test all(pointer -> pointer != C_NULL, LowLevel.POINTERS)
    @test length(LowLevel.FUNCTIONS) == 65
    @test thrown(() -> LowLevel.check_version(3_000, "x")) isa ErrorException
    @test thrown(() -> LowLevel.check_version(1_000, "x")) isa ErrorException
    @test thrown(() -> LowLevel.check_version(2_007, "x")) === nothing
end

"How a new Julia that loads the package ends, and what it says."
function load_with(settings...)
    julia = joinpath(Sys.BINDIR, Base.julia_exename())
    command = `$julia --startup-file=no --project=$(Base.active_project()) -e "using LibRAdam"`
    output = IOBuffer()
    process = run(pipeline(ignorestatus(setenv(command, merge(ENV, Dict(settings...)))), stderr=output))
    return process.exitcode, String(take!(output))
end

@testset "the library is found where it is installed" begin
    library = first(path for path in LowLevel.Libdl.dllist() if occursin("libradam", path))
    mktempdir() do home
        path = withenv(() -> last(LowLevel.candidates()), "LIBRADAM" => nothing, "HOME" => home)
        @test dirname(path) == joinpath(home, ".local", "lib")
        mkpath(dirname(path))
        symlink(library, path)
        @test load_with("LIBRADAM" => "", "HOME" => home) == (0, "")
    end
end

@testset "what cannot be loaded" begin
    for (path, words) in (("/no/such/libradam.so", "could not load libradam from /no/such/libradam.so"),
                          ("libm.so.6", "libm.so.6 has no radam_version"))
        code, output = load_with("LIBRADAM" => path)
        @test code == 1
        @test occursin(words, output)
    end
end

@testset "statuses and sentences" begin
    @test LowLevel.radam_step(C_NULL) == INVALID_HANDLE
    @test occursin("closed", LibRAdam.last_error(INVALID_HANDLE, C_NULL))
    @test LibRAdam.status_name(Int32(4)) == "RADAM_ERROR_BUSY"
    options = Ref{LowLevel.radam_options}()
    @test LowLevel.radam_options_init(options, 3) == INVALID_ARGUMENT
    @test sprint(showerror, RAdamError(BUSY, "a sentence")) == "RADAM_ERROR_BUSY: a sentence"
    @test refused(() -> Optimizer(num_threads=5000), INVALID_ARGUMENT, "num_threads", "5000")
    @test refused(() -> Optimizer(num_threads=-1), INVALID_ARGUMENT, "num_threads is -1", "0 to 4294967295")
    @test refused(() -> Optimizer(threads=1), INVALID_ARGUMENT, "no option threads", "num_threads")
end

@testset "one step without an optimizer" begin
    rule = Ref(RAdam(0.5).options)
    param, grad, exp_avg, exp_avg_sq = [1.0, 2.0], [1.0, -1.0], zeros(2), zeros(2)
    f64 = LowLevel.RADAM_DTYPE_F64
    @test LowLevel.radam_update(f64, 0, 0, param, grad, exp_avg, exp_avg_sq, C_NULL, 2, rule, 1) == LowLevel.RADAM_OK
    # The first step is not rectified: lr * grad.
    @test param == [0.5, 2.5]
end
