# radam_add_targets(...) defines radam::radam, the shared library, and radam::static. Both radamConfig.cmake and the
# CMakeLists.txt of the sources use it.
#   INCLUDE_DIR       where the headers are
#   SHARED STATIC     the libraries; without one of them, its target is not defined
#   SONAME IMPLIB     of the shared library, on systems that have them
#   NATIVE_LIBRARIES  what a program linked with STATIC needs besides, as linker arguments
#   GLOBAL            the targets can be seen in the whole project
function(radam_add_targets)
  cmake_parse_arguments(PARSE_ARGV 0 arg GLOBAL "INCLUDE_DIR;SHARED;SONAME;IMPLIB;STATIC;NATIVE_LIBRARIES" "")
  set(global)
  if(arg_GLOBAL)
    set(global GLOBAL)
  endif()

  if(arg_SHARED)
    add_library(radam::radam SHARED IMPORTED ${global})
    target_include_directories(radam::radam INTERFACE "${arg_INCLUDE_DIR}")
    set_target_properties(radam::radam PROPERTIES IMPORTED_LOCATION "${arg_SHARED}")
    foreach(property SONAME IMPLIB)
      if(arg_${property})
        set_target_properties(radam::radam PROPERTIES IMPORTED_${property} "${arg_${property}}")
      endif()
    endforeach()
  endif()

  if(arg_STATIC)
    add_library(radam::static STATIC IMPORTED ${global})
    target_include_directories(radam::static INTERFACE "${arg_INCLUDE_DIR}")
    separate_arguments(arg_NATIVE_LIBRARIES)
    target_link_libraries(radam::static INTERFACE ${arg_NATIVE_LIBRARIES})
    set_target_properties(radam::static PROPERTIES IMPORTED_LOCATION "${arg_STATIC}")
  endif()
endfunction()
